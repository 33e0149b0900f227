//! Rules that all endpoints share.

mod conditional_requests;
mod cors;
mod documentation_pages;
mod idempotency;
mod openapi;
mod request_bodies;
mod response_headers;
mod routing;
