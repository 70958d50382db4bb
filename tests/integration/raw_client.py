"""A client that speaks nng's framing itself, and the protocol with it."""
import select
import socket
import struct
import time


class RawClient:
    """Speaks nng's framing and reads what it likes. With a small buffer, what it does not read waits in the server."""

    COMPUTE = b"tilery.v1.TileCompute/Compute"
    OPEN = b"tilery.v1.TileCompute/OpenStream"
    NEXT = b"tilery.v1.TileCompute/NextTiles"
    CANCEL = b"tilery.v1.TileCompute/Cancel"

    def __init__(self, url):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.socket.settimeout(60)
        host, port = url.removeprefix("tcp://").split(":")
        self.socket.connect((host, int(port)))
        self.socket.sendall(b"\0SP\0\0\x30\0\0")
        self.socket.recv(8, socket.MSG_WAITALL)

    @staticmethod
    def field(number, data):
        length = len(data)
        return bytes([number << 3 | 2, length & 0x7f | 0x80, length >> 7 & 0x7f | 0x80, length >> 14]) + data

    @classmethod
    def message(cls, method, payload, request_id=b"", number=1):
        body = cls.field(1, method) + cls.field(4, request_id) + cls.field(2, payload)
        return struct.pack(">QI", len(body) + 4, 0x80000000 | number) + body

    def send(self, method, payload, request_id=b""):
        self.socket.sendall(self.message(method, payload, request_id))

    def length(self):
        """Of the reply that comes next, which stays unread."""
        return struct.unpack(">Q", self.socket.recv(8, socket.MSG_WAITALL | socket.MSG_PEEK))[0]

    def receive(self, pause_s=0.0):
        """The reply, after nng's 4 bytes."""
        return self.receive_any(pause_s)[1]

    def receive_any(self, pause_s=0.0):
        """The number of the message that is answered, and the reply."""
        length, reply = self.length() + 8, bytearray()
        while len(reply) < length:
            chunk = self.socket.recv(min(length - len(reply), 262144))
            if not chunk:
                raise ConnectionError("the connection ended within a reply")
            reply += chunk
            time.sleep(pause_s)
        return struct.unpack(">I", reply[8:12])[0] & 0x7fffffff, bytes(reply[12:])

    def wait_reset(self):
        """False when it takes so long that the server's kernel would do it by itself."""
        poll = select.poll()
        poll.register(self.socket, 0)
        return bool(poll.poll(20000))

    def close(self):
        self.socket.close()
