// The modules of src, bundled in memory.

import { build } from "esbuild"
import { fileURLToPath } from "node:url"

/** What `code` exports, which imports from src as if it stood beside it. */
export async function load(code) {
  const resolveDir = fileURLToPath(new URL("../src", import.meta.url))
  const { outputFiles } = await build({ stdin: { contents: code, resolveDir, loader: "ts" }, bundle: true, format: "esm", target: "es2021", write: false })
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`)
}
