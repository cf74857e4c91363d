// Loaded before the suite's server, which would listen on every address of the
// machine: this keeps it to loopback.
const net = require('net')

const listen = net.Server.prototype.listen
net.Server.prototype.listen = function (port) {
  return listen.call(this, { port: Number(port), host: '127.0.0.1', exclusive: true })
}
