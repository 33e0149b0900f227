//! Serves `GET /metrics` on a separate address, so that callers of the API have no access to the metrics. Other requests
//! get 404.

use std::io;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};

use super::Metrics;

/// Creates the server for `listener`. It runs while it is polled, and does not handle signals.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(metrics: Metrics, listener: TcpListener) -> io::Result<Server> {
    let metrics = web::Data::new(metrics);
    let app = move || {
        App::new().app_data(metrics.clone()).service(
            web::resource("/metrics")
                .get(get_metrics)
                .default_service(web::to(not_found)),
        )
    };
    let server = HttpServer::new(app).workers(1).disable_signals();
    Ok(server.listen(listener)?.run())
}

async fn get_metrics(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(prometheus::TEXT_FORMAT)
        .body(metrics.render())
}

async fn not_found() -> HttpResponse {
    HttpResponse::NotFound()
        .content_type(ContentType::plaintext())
        .finish()
}
