"""A way to the stack for the containers of `sam local invoke`, which have no access to this machine's loopback."""

import fcntl
import socket
import socketserver
import struct
import threading

SIOCGIFADDR = 0x8915


def bridge_address():
    """This machine's address on Docker's bridge, or None when Docker isn't running."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        try:
            answer = fcntl.ioctl(query, SIOCGIFADDR, struct.pack("256s", b"docker0"))
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])


class Forwarder(socketserver.ThreadingTCPServer):
    """Forwards a port of Docker's bridge to the same port of the loopback."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address, port):
        super().__init__((address, port), Connection)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        with socket.create_connection(("127.0.0.1", self.server.server_address[1])) as loopback:
            back = threading.Thread(target=copy, args=(loopback, self.request), daemon=True)
            back.start()
            copy(self.request, loopback)
            back.join()


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other side is gone
