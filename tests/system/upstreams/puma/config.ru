# SPDX-License-Identifier: ISC
# What the checks ask of an application, as plain Rack; WebSocket by taking the socket over.
require "digest"

class FileBody
  def initialize(path)
    @path = path
  end

  def each
    File.open(@path, "rb") do |f|
      while (data = f.read(65536))
        yield data
      end
    end
  end
end

def file(name, type)
  path = "/srv/#{name}"
  [200, { "content-type" => type, "content-length" => File.size(path).to_s }, FileBody.new(path)]
end

def text(body)
  [200, { "content-type" => "text/plain", "content-length" => body.bytesize.to_s }, [body]]
end

def upload(env)
  digest = Digest::SHA256.new
  while (data = env["rack.input"].read(65536))
    digest << data
  end
  text(digest.hexdigest)
end

# Exactly so many bytes at a time: what Puma's TLS sockets give is what has come.
class Reader
  def initialize(io)
    @io = io
    @data = "".b
  end

  def read(length)
    @data << @io.readpartial(65536) while @data.bytesize < length
    @data.slice!(0, length)
  end
end

def message(io)
  first, length = io.read(2).unpack("CC")
  return unless first == 0x81

  length &= 0x7f
  length = io.read(2).unpack1("n") if length == 126
  length = io.read(8).unpack1("Q>") if length == 127
  mask = io.read(4)
  data = io.read(length)
  key = mask * (length / 4 + 1)
  data.unpack("C*").zip(key.unpack("C*")).map { |a, b| a ^ b }.pack("C*")
end

def frame(data)
  case data.bytesize
  when 0..125 then [0x81, data.bytesize].pack("CC") + data
  when 126..65535 then [0x81, 126, data.bytesize].pack("CCn") + data
  else [0x81, 127, data.bytesize].pack("CCQ>") + data
  end
end

def websocket(env)
  accept = Digest::SHA1.base64digest(env["HTTP_SEC_WEBSOCKET_KEY"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
  io = env["rack.hijack"].call
  Thread.new do
    io.write "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
             "Sec-WebSocket-Accept: #{accept}\r\n\r\n"
    reader = Reader.new(io)
    while (data = message(reader))
      io.write frame(data)
    end
  rescue EOFError, SystemCallError
    nil # the client has left
  ensure
    io.close
  end
  [-1, {}, []]
end

run lambda { |env|
  case env["PATH_INFO"]
  when "/small.txt" then file("small.txt", "text/plain")
  when "/large.bin" then file("large.bin", "application/octet-stream")
  when "/client" then text("#{env['REMOTE_ADDR']} #{env['puma.socket'].to_io.peeraddr(false)[1]}\n")
  when "/upload" then upload(env)
  when "/websocket" then websocket(env)
  else [404, { "content-length" => "0" }, []]
  end
}
