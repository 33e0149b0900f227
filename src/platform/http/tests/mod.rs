//! End-to-end tests of the HTTP layer: a small test service behind the middleware, called over real sockets.

mod attacks;
mod request_bodies;
mod responses;

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
struct Item {
    display_name: String,
    #[serde(skip)]
    version: i64,
}

impl Versioned for Item {
    fn version(&self) -> i64 {
        self.version
    }
}

#[derive(Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewItem {
    #[validate(length(min = 1, max = 5))]
    display_name: String,
    #[serde(default)]
    #[validate(length(max = 10))]
    note: PatchField<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListParams {
    /// The maximum number of items.
    #[param(value_type = Option<u16>)]
    limit: PageLimit,
}

impl FromQuery for ListParams {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            limit: PageLimit::take(params),
        })
    }
}

#[utoipa::path(params(ListParams), responses((status = 200, body = Page<Item>), (status = "default", body = Problem)))]
#[get("/items")]
async fn list_items(params: Query<ListParams>) -> Result<Reply, AppError> {
    let item = |number: u16| Item {
        display_name: number.to_string(),
        version: 1,
    };
    let items = (0..5).map(item).collect();
    Reply::page(&Page::from_rows(items, params.limit, |_| {
        Ok("more".to_owned())
    })?)
}

/// Returns an item whose name contains everything that was extracted from the request.
#[utoipa::path(responses((status = 201, body = Data<Item>)))]
#[post("/items")]
async fn create_item(key: IdempotencyKey, body: Json<NewItem>) -> Result<Reply, AppError> {
    let note = body.note.value().cloned().unwrap_or_default();
    let Json { value, raw } = body;
    let display_name = format!(
        "{}{note}{}{}",
        value.display_name,
        raw.len(),
        key.0.unwrap_or_default()
    );
    Reply::created_resource(
        "/items/1".to_owned(),
        &Item {
            display_name,
            version: 1,
        },
    )
}

#[utoipa::path(responses((status = 200, body = Data<Item>)), params(("id" = String, Path)))]
#[get("/items/{id}")]
async fn get_item(id: web::Path<u32>) -> Result<Reply, AppError> {
    Reply::resource(&Item {
        display_name: id.to_string(),
        version: 7,
    })
}

#[utoipa::path(responses((status = 204)), params(("id" = String, Path)))]
#[delete("/items/{id}")]
async fn delete_item(_id: web::Path<u32>, if_match: IfMatch) -> Result<Reply, AppError> {
    if_match.check(7).map(|()| Reply::no_content())
}

/// Fails in the given way.
async fn fail(kind: web::Path<String>) -> Result<HttpResponse, Error> {
    match kind.as_str() {
        "panic" => panic!("CANARY of a panic"),
        "internal" => Err(AppError::internal("CANARY of a cause").into()),
        "library" => Err(actix_web::error::ErrorInternalServerError(
            "CANARY of a library",
        )),
        "rate-limited" => Err(AppError::new(Code::RateLimited)
            .with_retry_after(Duration::from_millis(1500))
            .into()),
        "plain-text" => Ok(HttpResponse::ImATeapot().body("CANARY of a handler")),
        "cached" => Ok(HttpResponse::Ok()
            .insert_header(("cache-control", "max-age=60"))
            .finish()),
        _ => Err(AppError::new(Code::PermissionRequired).into()),
    }
}

async fn show_context(context: RequestContext) -> String {
    format!(
        "{} {} {}",
        context.ip,
        context.trace_id,
        context.user_agent.as_deref().unwrap_or("-")
    )
}

/// A middleware inside [`RequestMiddleware`] that rejects one path with an error.
async fn reject_one_path(
    req: ServiceRequest,
    next: Next<impl actix_web::body::MessageBody>,
) -> Result<ServiceResponse<impl actix_web::body::MessageBody>, Error> {
    if req.path() == "/rejected-by-middleware" {
        return Err(AppError::new(Code::AuthRequired).into());
    }
    next.call(req).await
}

/// Collects the method, route and status of each answered request.
#[derive(Default)]
struct RecordingObserver(Mutex<Vec<(String, String, u16)>>);

impl RequestObserver for RecordingObserver {
    fn observe(&self, record: &RequestRecord<'_>) {
        let record = (
            record.method.to_owned(),
            record.route.to_owned(),
            record.status,
        );
        self.0.lock().unwrap().push(record);
    }
}

/// The running test service; dropping it stops the server.
struct TestService {
    address: SocketAddr,
    handle: ServerHandle,
    observer: Arc<RecordingObserver>,
    document: Value,
}

impl TestService {
    fn start() -> Self {
        Self::start_behind_proxies(&[])
    }

    /// Starts the service with these trusted proxies.
    fn start_behind_proxies(trusted_proxies: &[&str]) -> Self {
        let trusted_proxies = trusted_proxies.iter().map(|text| text.parse().unwrap());
        let observer = Arc::new(RecordingObserver::default());
        let middleware = RequestMiddleware::new(RequestMiddlewareConfig {
            trusted_proxies: TrustedProxies::new(
                trusted_proxies.collect(),
                ForwardedHeader::XForwardedFor,
            ),
            observer: Some(Arc::clone(&observer) as Arc<dyn RequestObserver>),
            ..RequestMiddlewareConfig::default()
        });
        let (address, handle, document) = spawn_server(middleware);
        Self {
            address,
            handle,
            observer,
            document,
        }
    }
}

/// Runs the server on its own thread. Returns its address, its handle and its OpenAPI document.
fn spawn_server(middleware: RequestMiddleware) -> (SocketAddr, ServerHandle, Value) {
    let (server_sender, server_receiver) = mpsc::channel();
    let (document_sender, document_receiver) = mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || {
                let (app, document) = App::new()
                    .into_utoipa_app()
                    .service(list_items)
                    .service(create_item)
                    .service(get_item)
                    .service(delete_item)
                    .split_for_parts();
                let _ = document_sender.send(serde_json::to_value(&document).unwrap());
                app.route("/fail/{kind}", web::get().to(fail))
                    .route("/context", web::get().to(show_context))
                    .default_service(fallback_route(&document))
                    .wrap(from_fn(reject_one_path))
                    .wrap(middleware.clone())
            })
            .workers(1)
            .shutdown_timeout(1)
            .disable_signals()
            .bind(("127.0.0.1", 0))
            .unwrap();
            let address = server.addrs()[0];
            let server = server.run();
            server_sender.send((address, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (address, handle) = server_receiver.recv().unwrap();
    (address, handle, document_receiver.recv().unwrap())
}

impl Drop for TestService {
    fn drop(&mut self) {
        // The stop command is sent immediately; its future only waits for the result.
        drop(self.handle.stop(false));
    }
}

/// A parsed HTTP response.
#[derive(Debug)]
struct TestResponse {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl TestResponse {
    fn parse(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no response head: {text:?}"));
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self {
            status: status_line.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: lines.map(header).collect(),
            body: body.to_owned(),
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Checks that the response is a complete problem document, and returns its code.
    fn problem_code(&self) -> String {
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

impl TestService {
    /// Sends these bytes and returns everything the server sends until it closes the connection.
    fn send_raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        // The server may respond and close the connection before it has read everything.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut response = Vec::new();
        let _ = stream.read_to_end(&mut response);
        String::from_utf8_lossy(&response).into_owned()
    }

    /// Sends one request. `target` is the method and the path; `headers` are complete header lines.
    fn send(&self, target: &str, headers: &[&str], body: &str) -> TestResponse {
        let mut request = format!("{target} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        if !body.is_empty() {
            let _ = write!(request, "Content-Length: {}\r\n", body.len());
        }
        request.push_str("\r\n");
        request.push_str(body);
        TestResponse::parse(&self.send_raw(request.as_bytes()))
    }

    fn get(&self, path: &str) -> TestResponse {
        self.send(&format!("GET {path}"), &[], "")
    }

    /// Posts `body` as JSON to `/items`.
    fn post_item(&self, body: &str) -> TestResponse {
        self.send("POST /items", &["Content-Type: application/json"], body)
    }
}
