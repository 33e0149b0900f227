//! Forward authentication: a reverse proxy asks for each request who the caller is and whether access is allowed.

mod routes;

pub use routes::routes;
