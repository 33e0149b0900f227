//! The whole room over real sockets: a toy service in its envelope, spoken to in bytes.

mod answers;
mod attacks;
mod bodies;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use actix_web::dev::{ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpResponse, HttpServer, delete, get, post, web};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_actix_web::AppExt;
use validator::Validate;

use super::*;
use crate::platform::error::{AppError, Code};

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Thing {
    display_name: String,
    #[serde(skip)]
    version: i64,
}

impl Versioned for Thing {
    fn version(&self) -> i64 {
        self.version
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewThing {
    #[validate(length(min = 1, max = 5))]
    display_name: String,
    #[serde(default)]
    #[validate(length(max = 10))]
    note: Patch<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// How many.
    #[param(value_type = Option<u16>)]
    limit: Limit,
}

impl FromQuery for Search {
    fn from_query(params: &mut Params<'_>) -> Result<Self, Noted> {
        Ok(Self {
            limit: Limit::take(params),
        })
    }
}

type Answer = Result<Reply, AppError>;

#[utoipa::path(params(Search), responses((status = 200, body = Page<Thing>), (status = "default", body = Problem)))]
#[get("/things")]
async fn list(search: Query<Search>) -> Answer {
    let row = |number: u16| Thing {
        display_name: number.to_string(),
        version: 1,
    };
    let rows = (0..5).map(row).collect();
    Reply::page(&Page::of(rows, search.limit, |_| Ok("more".to_owned()))?)
}

#[utoipa::path(responses((status = 201, body = Data<Thing>)))]
#[post("/things")]
async fn create(key: IdempotencyKey, body: Json<NewThing>) -> Answer {
    let note = body.note.given().cloned().unwrap_or_default();
    let Json { value, raw } = body;
    let display_name = format!(
        "{}{note}{}{}",
        value.display_name,
        raw.len(),
        key.0.unwrap_or_default()
    );
    Reply::created_resource(
        "/things/1".to_owned(),
        &Thing {
            display_name,
            version: 1,
        },
    )
}

#[utoipa::path(responses((status = 200, body = Data<Thing>)), params(("id" = String, Path)))]
#[get("/things/{id}")]
async fn show(id: web::Path<u32>) -> Answer {
    Reply::resource(&Thing {
        display_name: id.to_string(),
        version: 7,
    })
}

#[utoipa::path(responses((status = 204)), params(("id" = String, Path)))]
#[delete("/things/{id}")]
async fn remove(_id: web::Path<u32>, condition: IfMatch) -> Answer {
    condition.check(7).map(|()| Reply::no_content())
}

/// How each kind of failure is made.
async fn fail(kind: web::Path<String>) -> Result<HttpResponse, Error> {
    match kind.as_str() {
        "panic" => panic!("CANARY of a panic"),
        "internal" => Err(AppError::internal("CANARY of a cause").into()),
        "foreign" => Err(actix_web::error::ErrorInternalServerError(
            "CANARY of a library",
        )),
        "throttled" => Err(AppError::new(Code::RateLimited)
            .retry_after(Duration::from_millis(1500))
            .into()),
        "bare" => Ok(HttpResponse::ImATeapot().body("CANARY of a handler")),
        "cached" => Ok(HttpResponse::Ok()
            .insert_header(("cache-control", "max-age=60"))
            .finish()),
        _ => Err(AppError::new(Code::PermissionRequired).into()),
    }
}

async fn whoami(context: RequestContext) -> String {
    format!(
        "{} {} {}",
        context.ip,
        context.trace_id,
        context.user_agent.as_deref().unwrap_or("-")
    )
}

/// Fails as a middleware inside the envelope may.
async fn inner(
    req: ServiceRequest,
    next: Next<impl actix_web::body::MessageBody>,
) -> Result<ServiceResponse<impl actix_web::body::MessageBody>, Error> {
    if req.path() == "/refused-inside" {
        return Err(AppError::new(Code::AuthRequired).into());
    }
    next.call(req).await
}

/// Method, route and status of each request that was answered.
#[derive(Default)]
struct Seen(Mutex<Vec<(String, String, u16)>>);

impl Observer for Seen {
    fn observe(&self, sample: &Sample<'_>) {
        let seen = (
            sample.method.to_owned(),
            sample.route.to_owned(),
            sample.status,
        );
        self.0.lock().unwrap().push(seen);
    }
}

/// The toy service, for as long as this lives.
struct Toy {
    address: SocketAddr,
    handle: ServerHandle,
    seen: Arc<Seen>,
    document: Value,
}

fn toy() -> Toy {
    toy_behind(&[])
}

/// The toy service, which trusts these proxies.
fn toy_behind(trusted: &[&str]) -> Toy {
    let trusted_proxies = trusted.iter().map(|text| text.parse().unwrap()).collect();
    let seen = Arc::new(Seen::default());
    let observer: Arc<dyn Observer> = seen.clone();
    let envelope = Envelope::new(Settings {
        trusted_proxies,
        observer: Some(observer),
        ..Settings::default()
    });
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let (describe, described) = mpsc::channel();
            let server = HttpServer::new(move || {
                let (app, document) = App::new()
                    .into_utoipa_app()
                    .service(list)
                    .service(create)
                    .service(show)
                    .service(remove)
                    .split_for_parts();
                let _ = describe.send(serde_json::to_value(&document).unwrap());
                app.route("/fail/{kind}", web::get().to(fail))
                    .route("/whoami", web::get().to(whoami))
                    .default_service(fallback(&document))
                    .wrap(from_fn(inner))
                    .wrap(envelope.clone())
            })
            .workers(1)
            .shutdown_timeout(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
            let address = server.addrs()[0];
            let server = server.run();
            tell.send((address, server.handle(), described)).unwrap();
            server.await.unwrap();
        });
    });
    let (address, handle, described) = told.recv().unwrap();
    let document = described.recv().unwrap();
    Toy {
        address,
        handle,
        seen,
        document,
    }
}

impl Drop for Toy {
    fn drop(&mut self) {
        // The command is sent at once; the answer to it is nobody's concern.
        drop(self.handle.stop(false));
    }
}

/// One answer, taken apart.
#[derive(Debug)]
struct Answered {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Its code, after making sure that it is a problem in every respect.
    fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let body = self.json();
        let code = body["code"].as_str().unwrap().to_owned();
        assert_eq!(body["status"], self.status);
        assert_eq!(body["type"], format!("urn:rosterd:problem:{code}"));
        assert_eq!(body["traceId"].as_str().map(str::len), Some(32));
        assert!(
            body["title"].is_string() && body["detail"].is_string() && body["errors"].is_array()
        );
        assert!(!self.body.contains("CANARY"), "{self:?}");
        code
    }
}

impl Toy {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }

    /// Everything that is answered to these bytes until the other side closes.
    fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // It may be closed before it has read all: what it said then still counts.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One request with these lines of headers and this body.
    fn call(&self, line: &str, headers: &[&str], body: &str) -> Answered {
        let mut request = format!("{line} HTTP/1.1\r\nHost: toy\r\nConnection: close\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        if !body.is_empty() {
            let _ = write!(request, "Content-Length: {}\r\n", body.len());
        }
        request.push_str("\r\n");
        request.push_str(body);
        take_apart(&self.raw(request.as_bytes()))
    }

    fn get(&self, path: &str) -> Answered {
        self.call(&format!("GET {path}"), &[], "")
    }

    fn post(&self, body: &str) -> Answered {
        self.call("POST /things", &["Content-Type: application/json"], body)
    }
}

fn take_apart(answer: &str) -> Answered {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {answer:?}"));
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    Answered {
        status,
        headers: lines.map(header).collect(),
        body: body.to_owned(),
    }
}
