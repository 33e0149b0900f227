//! Rules that all endpoints share.

mod conditional_requests;
mod cors;
mod documentation_pages;
mod idempotency;
mod link_pages;
mod openapi;
mod queries_and_pages;
mod request_bodies;
mod response_headers;
mod routing;
mod swagger_page;
