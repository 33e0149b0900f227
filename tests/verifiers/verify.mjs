// Verifies access tokens as an app in JavaScript does: one from each line of the input, with the keys of the first argument.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(require.resolve("jose")));

// Without the pause that it makes by default before it asks for an unknown key.
const keys = createRemoteJWKSet(new URL(process.argv[2]), { cooldownDuration: 0 });
const rules = { issuer: "https://id.example.org", audience: "rosterd", typ: "at+jwt", algorithms: ["ES256"] };
for await (const token of createInterface({ input: process.stdin })) {
  try {
    const { payload } = await jwtVerify(token.trim(), keys, rules);
    console.log("good", payload.sub);
  } catch (error) {
    console.log("bad", error.code);
  }
}
