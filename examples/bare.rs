//! The baseline of the benchmark: bare actix-web handlers that send recorded responses, headers included.
//!
//! Usage: `bare ADDRESS RESPONSE…`. Each RESPONSE is a file that `curl -si` wrote. The first is served at `/0`.

use actix_web::http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use actix_web::{App, HttpResponse, HttpServer, web};

/// The headers and the body of a response.
#[derive(Clone)]
struct RecordedResponse {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: web::Bytes,
}

impl RecordedResponse {
    fn read(file: &str) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or_else(|| std::io::Error::other("the file is not the output of curl -si"))?;
        // The server sets these headers itself.
        let set_by_server = [CONTENT_LENGTH, DATE, TRANSFER_ENCODING];
        let headers = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
            .filter(|(name, _)| !set_by_server.contains(name));
        Ok(Self {
            headers: headers.collect(),
            body: web::Bytes::from(body.to_owned()),
        })
    }

    fn to_http_response(&self) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        for (name, value) in &self.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        response.body(self.body.clone())
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(address) = arguments.next() else {
        return Err(std::io::Error::other("usage: bare ADDRESS RESPONSE…"));
    };
    let responses: Vec<RecordedResponse> = arguments
        .map(|file| RecordedResponse::read(&file))
        .collect::<Result<_, _>>()?;
    HttpServer::new(move || {
        responses
            .iter()
            .cloned()
            .enumerate()
            .fold(App::new(), |app, (index, recorded)| {
                let handler = move || std::future::ready(recorded.to_http_response());
                app.route(&format!("/{index}"), web::get().to(handler))
            })
    })
    .workers(2)
    .bind(address)?
    .run()
    .await
}
