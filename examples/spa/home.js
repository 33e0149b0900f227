import { call, refresh, signOut } from "./session.js";

const show = (id, text) => { document.getElementById(id).textContent = text; };
const toSignIn = () => location.replace("index.html");
let asked = 0;

async function ask() {
  const answer = await call("/auth/me");
  if (!answer?.ok) return toSignIn();
  const { data } = await answer.json();
  show("name", data.displayName ?? data.username);
  show("role", data.role);
  show("asked", ++asked);
}

document.getElementById("ask").addEventListener("click", async () => {
  // As if the access token had run out: a new one by the cookie, whatever other tabs have done meanwhile.
  if (await refresh()) await ask();
  else toSignIn();
});
document.getElementById("sign-out").addEventListener("click", async () => {
  await signOut();
  toSignIn();
});

await ask();
