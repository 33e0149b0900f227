//! Parses the form body of a request (RFC 6749, section 3.2 and appendix B): parameters only in the body, each at most once,
//! empty parameters count as absent, unknown parameters are ignored.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::platform::error::{AppError, Code};
use crate::platform::http::{FromQuery, QueryReader, body, query};

const FORM_MEDIA_TYPES: &[&str] = &["application/x-www-form-urlencoded"];

/// A parsed form body.
pub struct Form<T>(pub T);

impl<T: FromQuery + 'static> FromRequest for Form<T> {
    type Error = AppError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, AppError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let is_form = body::has_media_type(headers, FORM_MEDIA_TYPES);
        let has_query = !request.query_string().is_empty();
        let content_length = body::content_length(headers);
        let payload = payload.take();
        Box::pin(async move {
            if !is_form {
                let detail = "send application/x-www-form-urlencoded without Content-Encoding";
                return Err(AppError::new(Code::UnsupportedMediaType).with_detail(detail));
            }
            if has_query {
                let detail = "send the parameters in the body, not in the URL";
                return Err(AppError::new(Code::RequestInvalid).with_detail(detail));
            }
            let raw = body::read(content_length, payload).await?;
            let text = std::str::from_utf8(&raw).map_err(|_| Code::RequestInvalid)?;
            query::parse_query(text).map(Self)
        })
    }
}

/// Takes an optional parameter. An empty value counts as absent (RFC 6749, section 3.2).
pub fn take_optional(params: &mut QueryReader<'_>, name: &str) -> Option<String> {
    params.take(name).filter(|text: &String| !text.is_empty())
}

/// Takes every occurrence of a parameter that can be repeated. Empty values count as absent (RFC 6749, section 3.2).
pub fn take_non_empty(params: &mut QueryReader<'_>, name: &str) -> Vec<String> {
    let mut values: Vec<String> = params.take_all(name);
    values.retain(|text| !text.is_empty());
    values
}
