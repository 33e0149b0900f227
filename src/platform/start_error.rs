//! Why the service does not start, in one line.

use std::error::Error;

use crate::platform::config::ConfigError;
use crate::platform::error::{AppError, Code};

/// Why the service does not start, in one line.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The database, or something in it.
    #[error("{}", in_one_line(.0))]
    App(#[from] AppError),
    /// The machine.
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    /// The private cluster.
    #[error("{0}")]
    Cluster(#[from] crate::platform::db::cluster::ClusterError),
    /// Anything else that is told in one line.
    #[error("{0}")]
    Other(String),
}

/// For the operator, who may see the cause of what callers are told nothing of; libpq's messages have several lines.
fn in_one_line(error: &AppError) -> String {
    let told = match (error.code(), error.source()) {
        (Code::Internal, Some(cause)) => cause.to_string(),
        _ => format!("{error:?}"),
    };
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}
