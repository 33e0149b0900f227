//! Bare actix-web handlers that answer the very bytes that rosterd answered, headers and all: the yardstick that its
//! answers are held against. `bare ADDRESS ANSWER…`, each ANSWER a file that `curl -si` wrote; the first is at `/0`.

use actix_web::http::header::{CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING};
use actix_web::{App, HttpResponse, HttpServer, web};

/// Headers and body, as they were sent.
#[derive(Clone)]
struct Kept {
    headers: Vec<(HeaderName, HeaderValue)>,
    body: web::Bytes,
}

impl Kept {
    fn read(file: &str) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(file)?;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or_else(|| std::io::Error::other("no answer that curl -si wrote"))?;
        // What the server itself writes anew.
        let own = [CONTENT_LENGTH, DATE, TRANSFER_ENCODING];
        let headers = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
            .filter(|(name, _)| !own.contains(name));
        Ok(Self {
            headers: headers.collect(),
            body: web::Bytes::from(body.to_owned()),
        })
    }

    fn answer(&self) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        for (name, value) in &self.headers {
            answer.insert_header((name.clone(), value.clone()));
        }
        answer.body(self.body.clone())
    }
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(address) = arguments.next() else {
        return Err(std::io::Error::other("usage: bare ADDRESS ANSWER…"));
    };
    let kept: Vec<Kept> = arguments
        .map(|file| Kept::read(&file))
        .collect::<Result<_, _>>()?;
    HttpServer::new(move || {
        kept.iter()
            .cloned()
            .enumerate()
            .fold(App::new(), |app, (place, kept)| {
                let answer = move || std::future::ready(kept.answer());
                app.route(&format!("/{place}"), web::get().to(answer))
            })
    })
    .workers(2)
    .bind(address)?
    .run()
    .await
}
