# An MLflow server for compose.yaml, with the versions that this project is tested with; by itself it says nothing to
# anybody. What it serves, and to whom, stands in compose.yaml.
FROM python:3.12.12-slim-bookworm

COPY constraints.txt /tmp/constraints.txt
RUN pip install --no-cache-dir -c /tmp/constraints.txt mlflow psycopg2-binary \
    && useradd --create-home tracker \
    && install -d -o tracker -g tracker /artifacts
USER tracker
WORKDIR /home/tracker
VOLUME /artifacts
EXPOSE 5000

ENV MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
CMD ["mlflow", "server", "--serve-artifacts"]
