// The session of this tab. The access token lives in memory only; the refresh token is in a cookie that no script can
// read, which all tabs share. Whichever tab refreshes, the others' next refresh gets tokens of the same session: the
// token that was just replaced is still answered with its successor for 30 s.

let access = null; // { token, expires: milliseconds since 1970 }
let refreshing = null;

const api = (path, options = {}) => fetch(`/api/v1${path}`, { credentials: "same-origin", ...options });
const post = (path, body, headers = {}) =>
  api(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });

function keep(data) {
  access = { token: data.accessToken, expires: Date.parse(data.accessTokenExpiresAtUtc) };
  return data;
}

/** Signs in. Throws a problem (RFC 9457) when that fails. */
export async function signIn(username, password) {
  const answer = await post("/auth/login", { username, password, transport: "cookie" });
  const body = await answer.json();
  if (!answer.ok) throw body;
  return keep(body.data);
}

/** Gets a new access token by the cookie; several callers share one request. False when the session is over. */
export function refresh() {
  refreshing ??= (async () => {
    try {
      const answer = await post("/auth/refresh", {});
      if (answer.ok) keep((await answer.json()).data);
      else access = null;
      return answer.ok;
    } finally {
      refreshing = null;
    }
  })();
  return refreshing;
}

/** Calls the API as whoever is signed in, refreshing when it is time, or when the token is refused. Null: signed out. */
export async function call(path, options = {}) {
  const soon = Date.now() + 30_000;
  if ((!access || access.expires < soon) && !(await refresh())) return null;
  const ask = () => api(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${access.token}` } });
  const answer = await ask();
  if (answer.status !== 401) return answer;
  return (await refresh()) ? ask() : null;
}

/** Signs out, in this tab and all others. */
export async function signOut() {
  await call("/auth/logout", { method: "POST" });
  access = null;
}
