// Builds dist from src: `npm run build`. With --check it only says whether dist is what src builds to.

import { build } from "esbuild"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

// What every page loads; the rules of device delivery come after it.
const LARGEST_PLUGIN = 3 * 1024
const here = new URL(".", import.meta.url)

// The rules of device delivery are a file of their own, which only pages with device delivery load.
const deviceApart = {
  name: "device-apart",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/device$/ }, ({ kind }) =>
      kind == "dynamic-import" ? { path: "./intercom-device.mjs", external: true } : undefined),
}

async function bundle(entry, format) {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(here), entryPoints: [`src/${entry}.ts`], bundle: true, minify: true, format,
    target: "es2021", charset: "utf8", write: false, tsconfigRaw: {}, plugins: [deviceApart],
  })
  return outputFiles[0].text
}

const read = (path) => readFileSync(new URL(path, here), "utf8")
const types = `${read("build/settings.d.ts")}\n${read("build/intercom.d.ts").replace(/^import type .*settings.*\n|^export type .*\n/gm, "")}`
const files = {
  "intercom.js": await bundle("global", "iife"),
  "intercom.mjs": await bundle("intercom", "esm"),
  "intercom-device.mjs": await bundle("device", "esm"),
  "intercom.d.ts": types,
}
const isCheck = process.argv.includes("--check")
const fail = (what) => ((process.exitCode = 1), console.error(`error: ${what}`))
for (const [name, text] of Object.entries(files)) {
  const gzipped = gzipSync(text, { level: 9 }).length
  console.log(`${name}: ${text.length} bytes, ${gzipped} with gzip`)
  if (/^intercom\.m?js$/.test(name) && gzipped > LARGEST_PLUGIN) fail(`dist/${name} has ${gzipped} bytes with gzip, more than ${LARGEST_PLUGIN}`)
  if (!isCheck) writeFileSync(new URL(`dist/${name}`, here), text)
  else if (read(`dist/${name}`) != text) fail(`dist/${name} is not what src builds to: run \`npm run build\``)
}
