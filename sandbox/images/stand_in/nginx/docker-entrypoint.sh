#!/bin/sh
# The official image's contract: templates through envsubst, then /docker-entrypoint.d, then the command.
set -e
for template in /etc/nginx/templates/*.template; do
  [ -e "$template" ] || continue
  names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
  envsubst "$names" < "$template" > "/etc/nginx/conf.d/$(basename "$template" .template)"
done
for script in /docker-entrypoint.d/*.sh; do
  if [ -x "$script" ]; then "$script"; fi
done
exec "$@"
