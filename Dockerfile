# syntax=docker/dockerfile:1

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The sources come after the packages, so that a change to them does not install everything again.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    SIGNALBOX_DATA_DIR=/data
WORKDIR /app
COPY package.json package-lock.json ./
# No script has to run: Node 24 brings its own SQLite, and dist/ is copied ready-made.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && npm cache clean --force \
    && mkdir /data && chown node:node /data
COPY --from=build /app/dist/src ./dist/src
COPY --from=build /app/dist/agents ./dist/agents
COPY --from=build /app/dist/dashboard ./dist/dashboard
COPY signalbox.yaml LICENSE ./
COPY prompts ./prompts
USER node
VOLUME /data
EXPOSE 8080 8090
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s --retries=3 \
    CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "dist/src/main.js"]
CMD ["start"]
