// Run as a program, in the folder of a project: for each { run, args } it gets, the built command line, once more from its start,
// in this one process; answers { code, stdout, stderr }. What Node has loaded stays loaded, which is most of a command's time.
const main = new URL('../../dist/cli/main.js', import.meta.url)
const written = { stdout: '', stderr: '' }
for (const name of ['stdout', 'stderr'])
  process[name].write = (chunk, encoding, done) => {
    written[name] += chunk
    const called = typeof encoding === 'function' ? encoding : done
    called?.()
    return true
  }

process.on('message', async ({ run, args }) => {
  Object.assign(written, { stdout: '', stderr: '' })
  process.exitCode = undefined
  process.argv = [process.execPath, 'amalgam', ...args]
  await import(`${main.href}?run=${run}`)
  process.send({ code: process.exitCode ?? 0, ...written })
})
process.on('disconnect', () => process.exit())
