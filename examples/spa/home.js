import { call, refresh, signOut } from "./session.js";

const show = (id, text) => { document.getElementById(id).textContent = text; };
const toSignIn = () => location.replace("index.html");
let asked = 0;

async function ask() {
  const response = await call("/auth/me");
  if (!response?.ok) return toSignIn();
  const { data } = await response.json();
  show("name", data.displayName ?? data.username);
  show("role", data.role);
  show("asked", ++asked);
}

document.getElementById("ask").addEventListener("click", async () => {
  // Refresh as if the access token had expired. Other tabs may have refreshed the session in the meantime.
  if (await refresh()) await ask();
  else toSignIn();
});
document.getElementById("sign-out").addEventListener("click", async () => {
  await signOut();
  toSignIn();
});

await ask();
