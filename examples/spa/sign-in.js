import { refresh, signIn } from "./session.js";

const form = document.getElementById("sign-in");
const trouble = document.getElementById("trouble");

if (await refresh()) location.replace("home.html");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  trouble.textContent = "";
  try {
    await signIn(form.username.value, form.password.value);
    location.replace("home.html");
  } catch (problem) {
    trouble.textContent = problem.title ?? "The service cannot be reached.";
  }
});
