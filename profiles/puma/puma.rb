# SPDX-License-Identifier: ISC
# Puma for one Rack application; WORKERS and THREADS come from the profile.
rackup "/srv/config.ru"
environment ENV.fetch("RACK_ENV")
workers Integer(ENV.fetch("WORKERS"))
threads 1, Integer(ENV.fetch("THREADS"))

tls = { cert: "/trp/state/tls/cert.pem", key: "/trp/state/tls/key.pem" }
["0.0.0.0", "[::]"].each do |address|
  bind "tcp://#{address}:80"
  ssl_bind address, 443, tls
end
# What arrives is the client itself. (Without this line the port of a client would be looked for in a header.)
set_remote_address :socket
