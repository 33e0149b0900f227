//! Whether the schema is up to date, for `/readyz`. The result is kept for one second, so that anonymous requests cannot cause
//! a query each.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::platform::error::{AppError, Code};

/// How long a result is kept.
const MAX_AGE: Duration = Duration::from_secs(1);

/// The last result of the check, and when it was obtained.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, Result<bool, Code>)>>);

impl Readiness {
    /// The result that was read at most one second ago, or else that of `read`. Concurrent calls wait for one read.
    ///
    /// # Errors
    /// The code of the error of `read`.
    pub async fn get_or_read(
        &self,
        read: impl Future<Output = Result<bool, AppError>>,
    ) -> Result<bool, AppError> {
        let mut last = self.0.lock().await;
        if let Some((read_at, result)) = *last
            && read_at.elapsed() < MAX_AGE
        {
            return result.map_err(AppError::new);
        }
        let result = read.await;
        let kept = result.as_ref().copied().map_err(AppError::code);
        *last = Some((Instant::now(), kept));
        result
    }
}
