//! Email: messages are written to an outbox in the caller's transaction and sent after the commit by a worker thread.
//!
//! A message is stored encrypted and without its link. The link is created when the message is sent: no token is stored in
//! the outbox, and a request for a password reset does the same work whether or not the address exists. Delivery is at
//! least once; failed messages are retried with growing delays and dropped at last. Without a mail server nothing is stored.

pub mod notices;
mod outbox;
mod retry;
pub mod service;
mod smtp;
mod store;
mod template_values;
mod templates;
mod worker;

pub use notices::Notice;
pub use outbox::OutboxMessage;
pub use service::{Mail, check_server};
pub use template_values::{MailContentSource, MailLink, MailTemplateValues};
pub use worker::start_worker;
