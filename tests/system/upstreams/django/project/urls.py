# SPDX-License-Identifier: ISC
import hashlib

from django.http import FileResponse, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt


def file(name):
    return lambda request: FileResponse(open("/srv/" + name, "rb"))


def client(request):
    return HttpResponse("%(REMOTE_ADDR)s %(REMOTE_PORT)s\n" % request.META, content_type="text/plain")


@csrf_exempt
def upload(request):
    # request.read() goes by Content-Length: of a body in chunks it gives nothing
    body = request.environ["wsgi.input"]
    digest = hashlib.sha256()
    while True:
        data = body.read(65536)
        if not data:
            break
        digest.update(data)
    return HttpResponse(digest.hexdigest(), content_type="text/plain")


urlpatterns = [
    path("small.txt", file("small.txt")),
    path("large.bin", file("large.bin")),
    path("client", client),
    path("upload", upload),
]
