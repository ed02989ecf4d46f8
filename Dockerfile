# One image for every service and for `eventos`: docker run IMAGE run lead_scoring
FROM python:3.11-slim-bookworm AS packages
COPY requirements.services.lock .
RUN python -m venv /opt/eventos \
    && /opt/eventos/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.services.lock

FROM python:3.11-slim-bookworm
COPY --from=packages /opt/eventos /opt/eventos
WORKDIR /app
COPY contracts contracts
COPY infra infra
COPY services services
RUN python -m compileall -q contracts infra services
ENV PATH=/opt/eventos/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    EVENTOS_METRICS_HOST=0.0.0.0 \
    EVENTOS_METRICS_PORT=9464
EXPOSE 9464
USER 10001:10001
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/livez', timeout=4)"]
ENTRYPOINT ["python", "-m", "services.operator"]
