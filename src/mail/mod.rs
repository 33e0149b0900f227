//! Mail: letters are written into an outbox in the transaction that they tell of, and sent after it by a thread of their own.
//!
//! What is to be told waits encrypted, and without the link: that is made when the letter is sent, so that no token is
//! ever stored, and asking for a reset is the same work whether anybody has the address or not. A letter is sent at
//! least once; what can't be sent is tried again with growing waits and given up at last. Without a mail server nothing
//! is written.

mod outbox;
mod policy;
pub mod service;
mod smtp;
mod store;
mod templates;
mod worker;

pub use outbox::OutboxMessage;
pub use service::Mail;
pub use worker::start;
