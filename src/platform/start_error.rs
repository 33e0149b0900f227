//! The error that stops the start of the service or a command. Its message is one line.

use std::error::Error;

use crate::platform::config::ConfigError;
use crate::platform::error::{AppError, Code};

/// Why the service or a command cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A wrong or missing setting.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A database error.
    #[error("{}", operator_message(.0))]
    App(#[from] AppError),
    /// An I/O error, with the failed operation.
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    /// An error of the private cluster.
    #[error("{0}")]
    Cluster(#[from] crate::platform::db::private_cluster::ClusterError),
    /// Any other error, as a message of one line.
    #[error("{0}")]
    Other(String),
}

/// The message for the operator, including the internal cause. Joins the lines of libpq's messages.
fn operator_message(error: &AppError) -> String {
    let message = match (error.code(), error.source()) {
        (Code::Internal, Some(cause)) => cause.to_string(),
        _ => format!("{error:?}"),
    };
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
