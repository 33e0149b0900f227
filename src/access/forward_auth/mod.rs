//! Forward authentication: a proxy in front of an app asks for every request who is calling and whether they may.

mod routes;

pub use routes::routes;
