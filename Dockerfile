# The service without its database: docker-compose.yml shows both. No secret gets in; they come at the start, from
# the environment.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
RUN python -m venv /venv
COPY requirements.lock ./
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes -r requirements.lock
COPY . .
# Settings ask for secrets. These two are gone when the line is done.
RUN SECRET_KEY=$(/venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(48))') \
    JWT_SIGNING_KEY=$(/venv/bin/python -c 'import secrets; print(secrets.token_urlsafe(48))') \
    /venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
    && /venv/bin/python -m compileall -q accounts api audit boot desk devices jobs locations management operations redirect webhooks

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin service
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
# The code belongs to root and stays as it is, and so do the static files; only var/ may be written, if anything.
RUN chown service:service var
USER service
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD \
    ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
CMD ["gunicorn", "-c", "deploy/gunicorn.conf.py"]
