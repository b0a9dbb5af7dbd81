// Builds dist from src, which the function embeds: `npm run build`. With --check it only says whether dist is what src
// builds to; with --package it builds what `npm pack` takes along instead.

import { build } from "esbuild"
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { gzipSync } from "node:zlib"

// What a page loads first, with gzip; the rules of device delivery come after it.
const LARGEST_BYTES = { "intercom.js": 4 * 1024, "intercom.mjs": 4 * 1024 }

// Properties that only these files know, short: the same ones in each, since they call one another.
const SHORT = Object.fromEntries(
  ["departures", "emailOf", "fields", "identified", "isDevice", "isTold", "isUp", "keepsRoomFor", "more", "report", "rules", "shutDown", "start", "takes"]
    .map((name, index) => [name, "etnaiosrlcdump"[index]]))

const here = new URL(".", import.meta.url)
const file = (path) => new URL(path, here)

// The rules of device delivery are a file of their own, which only pages with device delivery load.
const deviceApart = {
  name: "device-apart",
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/device$/ }, ({ kind }) =>
      kind == "dynamic-import" ? { path: "./intercom-device.mjs", external: true } : undefined),
}

const bundle = (entry, options) => build({
  absWorkingDir: fileURLToPath(here), entryPoints: [`src/${entry}.ts`], bundle: true, minify: true, target: "es2021",
  charset: "utf8", mangleProps: new RegExp(`^(${Object.keys(SHORT).join("|")})$`), mangleCache: SHORT, tsconfigRaw: {}, plugins: [deviceApart], ...options,
})

async function textOf(entry, format) {
  const { outputFiles } = await bundle(entry, { format, write: false })
  return outputFiles[0].text
}

/** The parts that analytics.js loads on demand, of the version in package.json, as one text: each after its name. */
function bundlesOfLibrary() {
  const library = file("node_modules/@segment/analytics-next/")
  const parts = readdirSync(new URL("dist/umd/", library)).filter((name) => /\.bundle\.\w+\.js$/.test(name)).sort()
  const license = readFileSync(new URL("LICENSE.MD", library), "utf8").trim()
  const textOf = (name) => readFileSync(new URL(`dist/umd/${name}`, library), "utf8").replace(/\n\/\/# sourceMappingURL.*/, "").trim()
  return [`/* @segment/analytics-next\n\n${license}\n*/\n`, ...parts.map((name) => `//# file ${name}\n${textOf(name)}\n`)].join("")
}

async function buildDist(isCheck) {
  const files = {
    "intercom.js": await textOf("global", "iife"),
    "intercom.mjs": await textOf("intercom", "esm"),
    "intercom-device.mjs": await textOf("device", "esm"),
    "analytics-next.js": bundlesOfLibrary(),
  }
  const fail = (what) => ((process.exitCode = 1), console.error(`error: ${what}`))
  for (const [name, text] of Object.entries(files)) {
    const gzipped = gzipSync(text, { level: 9 }).length
    console.log(`${name}: ${text.length} bytes, ${gzipped} with gzip`)
    if (gzipped > LARGEST_BYTES[name]) fail(`dist/${name} has ${gzipped} bytes with gzip, more than ${LARGEST_BYTES[name]}`)
    if (!isCheck) writeFileSync(file(`dist/${name}`), text)
    else if (readFileSync(file(`dist/${name}`), "utf8") != text) fail(`dist/${name} is not what src builds to: run \`npm run build\``)
  }
}

async function buildPackage() {
  const outdir = fileURLToPath(file("package"))
  mkdirSync(outdir, { recursive: true })
  for (const [entry, name, format] of [["intercom", "intercom.mjs", "esm"], ["intercom", "intercom.cjs", "cjs"], ["device", "intercom-device.mjs", "esm"]]) {
    await bundle(entry, { format, outfile: `${outdir}/${name}`, sourcemap: "linked" })
  }
  const declarations = (name) => readFileSync(file(`build/${name}.d.ts`), "utf8")
  const intercom = declarations("intercom").replace(/^(import type .*|export type .*from) "\.\/settings";\n/gm, "")
  for (const end of ["ts", "cts"]) writeFileSync(file(`package/intercom.d.${end}`), `${declarations("settings")}\n${intercom}`)
  writeFileSync(file("package/window.d.ts"), declarations("window"))
  copyFileSync(file("../LICENSE"), file("LICENSE"))
}

await (process.argv.includes("--package") ? buildPackage() : buildDist(process.argv.includes("--check")))
