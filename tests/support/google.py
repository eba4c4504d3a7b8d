"""The XML interface of Google Cloud Storage, as its reference describes it, in memory: https://cloud.google.com/storage/docs/xml-api/reference-methods"""
import datetime
import hashlib
import http.server
import threading
import urllib.parse
from email.utils import formatdate
from xml.sax.saxutils import escape

NAMESPACE = "http://doc.s3.amazonaws.com/2006-03-01"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urllib.parse.urlsplit(self.path)
        bucket, _, key = urllib.parse.unquote(parts.path).lstrip("/").partition("/")
        query = dict(urllib.parse.parse_qsl(parts.query, keep_blank_values=True))
        server = self.server
        with server.lock:
            server.tokens.add((self.headers.get("Authorization") or "").removeprefix("Bearer "))
            wrong = [name for name in self.headers if name.lower().startswith("x-amz-")]
            if wrong:
                return self.answer(400, f"<Error><Code>InvalidHeader</Code><Message>{wrong}</Message></Error>".encode())
            if bucket not in server.buckets:
                return self.answer(404, b"<Error><Code>NoSuchBucket</Code></Error>")
            objects = server.buckets[bucket]
            if key == "" and self.command == "GET":
                return self.list(objects, query)
            if self.command == "POST" and "uploads" in query:
                upload = f"upload-{len(server.uploads)}"
                server.uploads[upload] = ({}, self.metadata())
                return self.answer(200, f'<InitiateMultipartUploadResult xmlns="{NAMESPACE}"><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>'.encode())
            if "uploadId" in query:
                return self.part(objects, key, query, body)
            return getattr(self, f"do_{self.command.lower()}_object")(objects, key, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_request

    def metadata(self):
        kept = {name.lower(): value for name, value in self.headers.items() if name.lower().startswith("x-goog-meta-")}
        return kept | {"Content-Type": self.headers.get("Content-Type", "application/octet-stream")}

    def condition(self, objects, key):
        """Whether the write may be done."""
        wanted = self.headers.get("x-goog-if-generation-match")
        is_there = objects[key][1] if key in objects else 0
        return wanted is None or int(wanted) == is_there

    def store(self, objects, key, data, metadata):
        self.server.generation += 1
        objects[key] = (data, self.server.generation, metadata)
        return {"ETag": etag(data), "x-goog-generation": str(self.server.generation)}

    def do_put_object(self, objects, key, body):
        if not self.condition(objects, key):
            return self.answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        source = self.headers.get("x-goog-copy-source")
        if source:
            bucket, _, name = urllib.parse.unquote(source).lstrip("/").partition("/")
            if name not in self.server.buckets.get(bucket, {}):
                return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            data, _, metadata = self.server.buckets[bucket][name]
            headers = self.store(objects, key, data, metadata)
            return self.answer(200, f"<CopyObjectResult><ETag>{escape(etag(data))}</ETag></CopyObjectResult>".encode(), headers)
        return self.answer(200, b"", self.store(objects, key, body, self.metadata()))

    def part(self, objects, key, query, body):
        parts, metadata = self.server.uploads.get(query["uploadId"], (None, None))
        if parts is None:
            return self.answer(404, b"<Error><Code>NoSuchUpload</Code></Error>")
        if self.command == "PUT":
            parts[int(query["partNumber"])] = body
            return self.answer(200, b"", {"ETag": etag(body)})
        del self.server.uploads[query["uploadId"]]
        if self.command == "DELETE":
            return self.answer(204, b"")
        if any(len(parts[number]) < 5 << 20 for number in sorted(parts)[:-1]):
            return self.answer(400, b"<Error><Code>EntityTooSmall</Code></Error>")
        headers = self.store(objects, key, b"".join(parts[number] for number in sorted(parts)), metadata)
        tag = escape(headers["ETag"])
        return self.answer(200, f'<CompleteMultipartUploadResult xmlns="{NAMESPACE}"><ETag>{tag}</ETag></CompleteMultipartUploadResult>'.encode(), headers)

    def do_get_object(self, objects, key, _body):
        if key not in objects:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        data, generation, metadata = objects[key]
        headers = metadata | {"ETag": etag(data), "x-goog-generation": str(generation), "Last-Modified": formatdate(usegmt=True)}
        status, wanted = 200, self.headers.get("Range")
        if self.command == "HEAD":
            return self.answer(200, b"", headers, length=len(data))
        if wanted:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last) + 1, len(data))
            if start >= len(data):
                return self.answer(416, b"<Error><Code>InvalidRange</Code></Error>", {"Content-Range": f"bytes */{len(data)}"})
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            data, status = data[start:stop], 206
        return self.answer(status, data, headers)

    do_head_object = do_get_object

    def do_delete_object(self, objects, key, _body):
        return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>") if objects.pop(key, None) is None else self.answer(204, b"")

    def list(self, objects, query):
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token") or query.get("start-after", "")
        entries, folders = [], []
        for key in sorted(objects):
            rest = key[len(prefix):]
            if not key.startswith(prefix) or key <= after:
                continue
            if delimiter and delimiter in rest:
                folder = prefix + rest.partition(delimiter)[0] + delimiter
                if folder not in folders and folder > after:
                    folders.append(folder)
            else:
                entries.append(key)
        page = self.server.page
        more = entries[page - 1] if len(entries) > page else None
        text = [f'<?xml version="1.0"?><ListBucketResult xmlns="{NAMESPACE}"><IsTruncated>{"true" if more else "false"}</IsTruncated>']
        if more:
            text.append(f"<NextContinuationToken>{escape(more)}</NextContinuationToken>")
        for key in entries[:page]:
            data, generation, _ = objects[key]
            text.append(f"<Contents><Key>{escape(key)}</Key><Generation>{generation}</Generation><LastModified>{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
                        f"<ETag>{escape(etag(data))}</ETag><Size>{len(data)}</Size></Contents>")
        text += [f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders] if not more else []
        return self.answer(200, "".join(text + ["</ListBucketResult>"]).encode())

    def answer(self, status, body, headers=None, length=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def etag(data):
    return f'"{hashlib.md5(data).hexdigest()}"'


class GoogleStorage(http.server.ThreadingHTTPServer):
    """Buckets of these names. `tokens` are those that requests carried, "" where there was none; a listing has `page` entries a page."""
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *buckets, page=1000):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.buckets = {name: {} for name in buckets}
        self.uploads, self.tokens, self.generation, self.page = {}, set(), 1000, page
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def objects(self, bucket):
        return {key: data for key, (data, _, _) in self.buckets[bucket].items()}

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
