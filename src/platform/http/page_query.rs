//! The query parameters that all paginated lists share, and the page that is returned for them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::page::{Cursors, Page, PageLimit};
use super::query::{FromQuery, InvalidQuery, QueryReader};
use super::reply::Reply;
use crate::platform::error::AppError;

/// The page of a list that the caller asks for.
#[derive(Clone, Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The maximum number of items on the page.
    #[param(required = false)]
    pub limit: PageLimit,
    /// The position to continue from: `page.next` of the previous page.
    #[param(min_length = 1, max_length = 2048, pattern = "^[A-Za-z0-9_-]+$")]
    pub cursor: Option<String>,
    /// Whether `page.total` contains the total number of items.
    #[param(required = false, default = false)]
    pub count: bool,
}

impl FromQuery for PageQuery {
    fn from_query(params: &mut QueryReader<'_>) -> Result<Self, InvalidQuery> {
        Ok(Self {
            limit: PageLimit::take(params),
            cursor: params.take("cursor"),
            count: params.take("count").unwrap_or_default(),
        })
    }
}

/// A list with its filters and sort order, as its cursors are bound to it.
pub struct PagedList<'a> {
    cursors: &'a Cursors,
    context: String,
    query: PageQuery,
}

impl<'a> PagedList<'a> {
    /// Creates the list. `context` identifies it and must contain every filter and the sort order, because a cursor is
    /// valid only for the same `context`.
    #[must_use]
    pub const fn new(cursors: &'a Cursors, context: String, query: PageQuery) -> Self {
        Self {
            cursors,
            context,
            query,
        }
    }

    /// The position to continue from; `None` for the first page.
    ///
    /// # Errors
    /// [`Code::RequestInvalid`](crate::platform::error::Code::RequestInvalid) when the cursor does not belong to this list.
    pub fn after<T: DeserializeOwned>(&self) -> Result<Option<T>, AppError> {
        let cursor = self.query.cursor.as_deref();
        cursor
            .map(|cursor| self.cursors.decode(&self.context, cursor))
            .transpose()
    }

    /// The number of rows to read.
    #[must_use]
    pub fn query_limit(&self) -> i64 {
        self.query.limit.query_limit()
    }

    /// Whether to count all items.
    #[must_use]
    pub const fn count(&self) -> bool {
        self.query.count
    }

    /// The page of a list that was read completely. `rows` are sorted by `key`, which is unique.
    ///
    /// # Errors
    /// An invalid cursor; when the items or the cursor cannot be serialized.
    pub fn reply_from_all<T: Serialize, K: Ord + Serialize + DeserializeOwned>(
        &self,
        mut rows: Vec<T>,
        key: impl Fn(&T) -> K,
    ) -> Result<Reply, AppError> {
        rows.sort_by_cached_key(&key);
        let total = self
            .count()
            .then(|| i64::try_from(rows.len()).unwrap_or(i64::MAX));
        if let Some(after) = self.after::<K>()? {
            rows.retain(|row| key(row) > after);
        }
        rows.truncate(usize::from(self.query.limit.get()) + 1);
        self.reply((rows, total), key)
    }

    /// The page as a reply. `rows` were read with [`PagedList::query_limit`]; `position` is the cursor content of an item.
    ///
    /// # Errors
    /// When the items or the cursor cannot be serialized.
    pub fn reply<T: Serialize, C: Serialize>(
        &self,
        (rows, total): (Vec<T>, Option<i64>),
        position: impl FnOnce(&T) -> C,
    ) -> Result<Reply, AppError> {
        let cursor = |last: &T| self.cursors.encode(&self.context, &position(last));
        Reply::page(&Page::from_rows(rows, self.query.limit, cursor)?.with_total(total))
    }
}
