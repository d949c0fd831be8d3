"""Servers on this machine: an object store, a web server, and proxies that fail."""

import contextlib
import functools
import http.client
import http.server
import threading


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def web_server(folder):
    """Serve a folder; yield the address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with _serving(handler) as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def _serving(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def proxy(endpoint, on_request, without=""):
    """Pass requests on to a server; yield the address.

    Parameters
    ----------
    endpoint : str
        The address of the server.
    on_request : callable
        Is called with the method, the path and a function that passes the request on and returns
        (status, headers, body). It returns the answer, or None to hang up without one.
    without : str, optional
        A header that is not passed on.
    """
    host = endpoint.removeprefix("http://")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def forward():
                connection = http.client.HTTPConnection(host, timeout=30)
                connection.request(self.command, self.path, body, _without(self.headers, without))
                answer = connection.getresponse()
                found = answer.status, answer.getheaders(), answer.read()
                connection.close()
                return found

            answer = on_request(self.command, self.path, forward)
            if answer is None:
                self.close_connection = True
                return
            status, headers, data = answer
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            if not any(name.lower() == "content-length" for name, _ in headers):
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _handle

        def log_message(self, *args):
            pass

    with _serving(Handler) as port:
        yield f"http://127.0.0.1:{port}"


def _without(headers, name):
    return {key: value for key, value in headers.items() if key.lower() != name}


@contextlib.contextmanager
def bucket_server():
    """Run moto; yield the address."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def make_bucket(endpoint, name):
    """Make a bucket."""
    connection = http.client.HTTPConnection(endpoint.removeprefix("http://"), timeout=30)
    connection.request("PUT", f"/{name}")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status in (200, 409), answer.status


def options(endpoint):
    """Return the options for a server of S3."""
    return {
        "key": "test",
        "secret": "test",
        "endpoint_url": endpoint,
        "client_kwargs": {"region_name": "us-east-1"},
    }


def environment(endpoint):
    """Return the environment variables that send every client of S3 to a server."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
    }
