//! Reading the form of a request (RFC 6749, appendix B): in the body only, nothing twice, what is empty counts as absent,
//! what is unknown is ignored (section 3.2).

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::platform::error::{AppError, Code};
use crate::platform::http::{FromQuery, Params, body, query};

const FORM: &[&str] = &["application/x-www-form-urlencoded"];

/// The form that was sent.
pub struct Form<T>(pub T);

impl<T: FromQuery + 'static> FromRequest for Form<T> {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, AppError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let is_readable = body::is_sent_as(headers, FORM);
        let has_query = !request.query_string().is_empty();
        let declared = body::declared_length(headers);
        let payload = payload.take();
        Box::pin(async move {
            if !is_readable {
                let detail = "send application/x-www-form-urlencoded, without Content-Encoding";
                return Err(AppError::new(Code::UnsupportedMediaType).detail(detail));
            }
            if has_query {
                let detail = "parameters are sent in the body and not in the address";
                return Err(AppError::new(Code::RequestInvalid).detail(detail));
            }
            let raw = body::read(declared, payload).await?;
            let text = std::str::from_utf8(&raw).map_err(|_| Code::RequestInvalid)?;
            query::parse(text).map(Self)
        })
    }
}

/// A parameter that counts as absent when it is empty (RFC 6749, section 3.2).
pub fn take(params: &mut Params<'_>, name: &str) -> Option<String> {
    params.take(name).filter(|text: &String| !text.is_empty())
}
