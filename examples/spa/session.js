// The session of this tab. The access token is in memory only. The refresh token is in a cookie that all tabs share and
// that scripts cannot read. Two tabs can refresh at the same time: a refresh token that was just replaced still gets its
// successor for 30 s.

let access = null; // { token, expires: milliseconds since 1970 }
let refreshing = null;

const api = (path, options = {}) => fetch(`/api/v1${path}`, { credentials: "same-origin", ...options });
const post = (path, body, headers = {}) =>
  api(path, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body: JSON.stringify(body) });

function setAccess(data) {
  access = { token: data.accessToken, expires: Date.parse(data.accessTokenExpiresAtUtc) };
  return data;
}

/** Signs in. Throws the problem document (RFC 9457) on failure. */
export async function signIn(username, password) {
  const response = await post("/auth/login", { username, password, transport: "cookie" });
  const body = await response.json();
  if (!response.ok) throw body;
  return setAccess(body.data);
}

/** Gets a new access token with the cookie. Concurrent calls share one request. Returns false if the session has ended. */
export function refresh() {
  refreshing ??= (async () => {
    try {
      const response = await post("/auth/refresh", {});
      if (response.ok) setAccess((await response.json()).data);
      else access = null;
      return response.ok;
    } finally {
      refreshing = null;
    }
  })();
  return refreshing;
}

/** Calls the API as the signed-in user. Refreshes the access token before it expires and after a 401. Returns null if the
 *  session has ended. */
export async function call(path, options = {}) {
  const refreshBefore = Date.now() + 30_000;
  if ((!access || access.expires < refreshBefore) && !(await refresh())) return null;
  const send = () => api(path, { ...options, headers: { ...options.headers, Authorization: `Bearer ${access.token}` } });
  const response = await send();
  if (response.status !== 401) return response;
  return (await refresh()) ? send() : null;
}

/** Signs out in all tabs. */
export async function signOut() {
  await call("/auth/logout", { method: "POST" });
  access = null;
}
