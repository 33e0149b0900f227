//! Everybody's sessions, for those who look after accounts. Nobody sees or ends those of an account that they do not rank
//! above, for they tell from where and when somebody is at work.

mod routes;
pub mod service;

pub use routes::routes;
