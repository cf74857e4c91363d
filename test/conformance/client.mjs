// Runs the suite as its own cli.mjs does, and prints what came of each test
// together with what the suite says about it:
//
//   node client.mjs SUITE shared|private BASE [ID...]
//
// SUITE is the unpacked package, BASE the URL of the cache under test. With
// private the tests meant for browsers are run too, and those that make no
// sense to one are not. IDs pick tests; what they do is then printed on stderr.
import path from 'path'
import { pathToFileURL } from 'url'

const [suite, mode, base, ...ids] = process.argv.slice(2)
const load = file => import(pathToFileURL(path.resolve(suite, file)))

const { runTests, getResults } = await load('client/runner.mjs')
const { default: fetch } = await load('node_modules/node-fetch/lib/index.js')
const { default: groups } = await load('tests/index.mjs')
const { default: surrogate } = await load('tests/surrogate-control.mjs')

const browser = mode === 'private'
const all = groups.concat(surrogate)
const meant = test => !(browser ? test.browser_skip : test.browser_only)
const wanted = test => meant(test) && (ids.length === 0 || ids.includes(test.id))
const picked = all.map(group => ({ ...group, tests: group.tests.filter(wanted) }))

console.log = console.error
if (ids.length > 0) {
  for (const group of picked) for (const test of group.tests) test.dump = true
}

// What the cache says of itself goes with the results: it tells why.
const said = {}
async function listening (url, init) {
  const response = await fetch(url, init)
  const id = new Map(init?.headers).get('Test-ID')
  if (id) (said[id] ||= []).push(`${response.status} ${response.headers.get('Cache-Status')}`)
  return response
}

await runTests(picked, listening, browser, base)

const results = getResults()
const tests = picked.flatMap(group => group.tests.map(test => ({
  id: test.id,
  name: test.name,
  group: group.name,
  kind: test.kind || 'required',
  depends: test.depends_on || [],
  result: results[test.id] === true ? [] : results[test.id],
  said: said[test.id] || []
})))
process.stdout.write(JSON.stringify(tests, null, 1) + '\n')
