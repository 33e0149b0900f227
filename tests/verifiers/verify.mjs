// Verifies access tokens with jose, one per line of standard input. The first argument is the URL of the JWKS.
// Prints `good` and the subject, or `bad` and the error code.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.cwd()}/`);
const { createRemoteJWKSet, jwtVerify } = await import(pathToFileURL(require.resolve("jose")));

// By default jose waits before it fetches the keys again for an unknown key id.
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
