//! Processes the lines of an import one after the other, and streams their results.

use actix_web::web::Bytes;
use futures_util::stream::{self, Stream, StreamExt};

use super::input::{ImportLine, ImportedPassword};
use super::model::ImportResult;
use crate::access::authentication::{Can, needs};
use crate::accounts::user_admin::initial_password::hash_initial_password;
use crate::accounts::users::service;
use crate::app_state::State;
use crate::platform::error::AppError;
use crate::platform::http::{NdjsonLine, NdjsonRequestBody};
use crate::platform::ids::UserId;

/// An import in progress.
pub struct Import {
    app: State,
    caller: Can<needs::CreateUsers>,
    body: NdjsonRequestBody,
    /// The error that ended the import early.
    abort: Option<AppError>,
}

impl Import {
    /// An import of all lines of `body`.
    pub fn new(app: State, caller: Can<needs::CreateUsers>, body: NdjsonRequestBody) -> Self {
        Self {
            app,
            caller,
            body,
            abort: None,
        }
    }

    /// The result of each line, as NDJSON. Each line is processed when its result is polled, so a caller that reads slowly
    /// or disconnects slows down or stops the import.
    ///
    /// # Errors
    /// An error that aborts the import at its first line, so that it has the status of the single request. Later ones end the stream.
    pub async fn run(
        mut self,
    ) -> Result<impl Stream<Item = Result<Bytes, AppError>> + 'static, AppError> {
        let first = self.next_result().await;
        if let Some(error) = self.abort {
            return Err(error);
        }
        let rest = stream::unfold(self, |mut import| async move {
            if let Some(error) = import.abort.take() {
                // The connection is closed without the final chunk, so the caller sees that results are missing. While the
                // task waits, the server sends the results that it has buffered; after an error it would discard them.
                tokio::task::yield_now().await;
                import.body = NdjsonRequestBody::default();
                return Some((Err(error), import));
            }
            let result = import.next_result().await?;
            Some((result, import))
        });
        Ok(stream::iter(first).chain(rest))
    }

    /// Processes the next line. Sets `abort` if the error of the line would also affect the remaining ones.
    async fn next_result(&mut self) -> Option<Result<Bytes, AppError>> {
        let line = self.body.next_line()?;
        let mut result = ImportResult::new(line.number);
        result = match self.import_line(&line, &mut result).await {
            Ok(id) => result.created(id),
            Err(error) => {
                let failed = result.failed(&error);
                if error.code().category().aborts_batch() {
                    self.abort = Some(error);
                }
                failed
            }
        };
        // Lines that are refused without a query would otherwise never let other requests run.
        tokio::task::yield_now().await;
        Some(to_ndjson(&result))
    }

    /// Creates the account of one line. Sets the username and external id of `result`.
    async fn import_line(
        &self,
        line: &NdjsonLine,
        result: &mut ImportResult,
    ) -> Result<UserId, AppError> {
        let line: ImportLine = line.parse()?;
        (result.username, result.external_id) = line.identifiers();
        let (draft, password) = line.check()?;
        let hash = match password {
            ImportedPassword::None => None,
            ImportedPassword::Hash(hash) => {
                let passwords = &self.app.passwords;
                passwords.check_pepper(&self.app.db, &hash).await?;
                Some(hash)
            }
            ImportedPassword::Plain(password) => {
                hash_initial_password(&self.app, &draft, Some(password)).await?
            }
        };
        let caller = self.caller.clone();
        let user = self
            .app
            .db
            .write(move |tx| service::create(tx, &caller, &draft, hash.as_ref()))
            .await?;
        Ok(user.id)
    }
}

fn to_ndjson(result: &ImportResult) -> Result<Bytes, AppError> {
    let mut line = serde_json::to_vec(result).map_err(AppError::internal)?;
    line.push(b'\n');
    Ok(line.into())
}
