# The first stage makes a virtual environment of pinned packages. The second holds that and Python, and
# nothing to install, compile or download with.
FROM python:3.11-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements/build.txt requirements/run.txt requirements/
RUN python -m venv --without-pip /opt/autoscaler \
    && pip --python /opt/autoscaler/bin/python install --require-hashes --only-binary :all: -r requirements/run.txt \
    && pip install --require-hashes --only-binary :all: -r requirements/build.txt
COPY LICENSE README.md pyproject.toml ./
COPY autoscaler autoscaler
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/autoscaler/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:3.11-slim-bookworm
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="celery-autoscaler" \
      org.opencontainers.image.description="Sizes Celery and Airflow worker StatefulSets on Kubernetes to the work that waits for them" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# ensurepip carries a pip of its own.
RUN python -m pip uninstall --yes --root-user-action ignore pip setuptools wheel \
    && rm -rf "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')/ensurepip"
COPY --from=build /opt/autoscaler /opt/autoscaler
ENV PATH=/opt/autoscaler/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["autoscaler"]
CMD ["run", "--config", "/etc/celery-autoscaler/config.toml"]
