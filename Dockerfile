# nnplug in a container, from the wheels of ./dist (`make wheels`); docs/deploy.md has the commands.
# BASE is a Debian or Ubuntu with Python 3.11 to 3.13. PyTorch's builds for CUDA bring CUDA's libraries, so that a GPU needs the host's driver alone.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
# TORCH: the requirement of PyTorch; TORCH_INDEX: the index that has its build, https://pypi.org/simple for CUDA.
ARG TORCH=torch
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=all
# VERSION: that of the wheels, `cat VERSION`.
ARG VERSION
# The base decides about versions of its packages.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/nnplug
ENV PATH=/opt/nnplug/bin:$PATH
COPY dist/*.whl /wheels/
# TORCH may be a version.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir --index-url "${TORCH_INDEX}" "${TORCH}" \
    && pip install --no-cache-dir --find-links /wheels "nnplug[${EXTRAS}]==${VERSION}"

FROM ${BASE}
ARG VERSION
LABEL org.opencontainers.image.title="nnplug" \
      org.opencontainers.image.description="Self-configuring segmentation of medical images" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.vendor="The nnplug developers"
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin nnplug \
    && mkdir /work \
    && chown nnplug /work
COPY --from=build /opt/nnplug /opt/nnplug
# What libraries write besides results goes to /tmp: the root file system may be read-only. Nothing asks a network.
ENV PATH=/opt/nnplug/bin:$PATH \
    HOME=/tmp \
    HF_HUB_OFFLINE=1 \
    NNPLUG_WORKSPACE=/work \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /work
ENTRYPOINT ["nnplug"]
CMD ["--help"]
