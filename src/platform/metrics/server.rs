//! `GET /metrics` on an address of its own, so that who may call the service may not read its metrics.
//! Nothing else is answered there.

use std::io;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};

use super::Metrics;

/// Answers on `listener`; the server runs for as long as it is polled, and leaves signals to others.
///
/// # Errors
/// When the listener can't be used.
pub fn serve(metrics: Metrics, listener: TcpListener) -> io::Result<Server> {
    let metrics = web::Data::new(metrics);
    let app = move || {
        App::new().app_data(metrics.clone()).service(
            web::resource("/metrics")
                .get(page)
                .default_service(web::to(nothing)),
        )
    };
    let server = HttpServer::new(app).workers(1).disable_signals();
    Ok(server.listen(listener)?.run())
}

async fn page(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(prometheus::TEXT_FORMAT)
        .body(metrics.render())
}

async fn nothing() -> HttpResponse {
    HttpResponse::NotFound()
        .content_type(ContentType::plaintext())
        .finish()
}
