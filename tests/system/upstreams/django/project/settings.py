# SPDX-License-Identifier: ISC
import os

ALLOWED_HOSTS = os.environ["SITE_HOSTS"].split()
with open("/trp/secrets/django-key", encoding="ascii") as f:
    SECRET_KEY = f.read().strip()
DEBUG = False
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/trp/state/db.sqlite3"}}
USE_TZ = True
