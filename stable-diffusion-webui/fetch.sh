#!/usr/bin/env bash
# Fetches the stock webui at the commits of a pins file, laid out as its launcher would do it: fetch.sh PINS DESTINATION
# DESTINATION/webui is the webui with its repositories/ and extensions/, DESTINATION/clip the source of the CLIP package,
# DESTINATION/huggingface the HF_HOME in which the webui finds its tokenizer offline.
set -euo pipefail

[ $# -eq 2 ] || {
    echo "usage: fetch.sh PINS DESTINATION" >&2
    exit 2
}
# shellcheck source-path=SCRIPTDIR source=pins.env
. "$1"
destination=$2

# One commit and nothing of its past: fetch REPOSITORY COMMIT FOLDER
fetch() {
    local repository=$1 commit=$2 folder=$3
    echo "fetching $repository at $commit"
    git init --quiet "$folder"
    git -C "$folder" fetch --quiet --depth 1 "$repository" "$commit" || {
        echo "fetch.sh: $repository does not give commit $commit; pins.env says where it is looked for" >&2
        exit 1
    }
    git -C "$folder" -c advice.detachedHead=false checkout --quiet FETCH_HEAD
    rm -rf "$folder/.git"
}

webui=$destination/webui
repositories=$webui/repositories
fetch "$WEBUI_REPO" "$WEBUI_COMMIT_HASH" "$webui"
fetch "$ASSETS_REPO" "$ASSETS_COMMIT_HASH" "$repositories/stable-diffusion-webui-assets"
fetch "$STABLE_DIFFUSION_REPO" "$STABLE_DIFFUSION_COMMIT_HASH" "$repositories/stable-diffusion-stability-ai"
fetch "$STABLE_DIFFUSION_XL_REPO" "$STABLE_DIFFUSION_XL_COMMIT_HASH" "$repositories/generative-models"
fetch "$K_DIFFUSION_REPO" "$K_DIFFUSION_COMMIT_HASH" "$repositories/k-diffusion"
fetch "$BLIP_REPO" "$BLIP_COMMIT_HASH" "$repositories/BLIP"
fetch "$CONTROLNET_REPO" "$CONTROLNET_COMMIT_HASH" "$webui/extensions/sd-webui-controlnet"
# It makes this one at its import, beside its code, which is read only in the image.
mkdir -p "$webui/extensions/sd-webui-controlnet/annotator/clip_vision"
fetch "$CLIP_REPO" "$CLIP_COMMIT_HASH" "$destination/clip"

# Laid out as huggingface_hub caches it, so that the name of the repository leads to it; version.txt is how transformers
# knows that layout.
hub=$destination/huggingface/hub
cache=$hub/models--${TOKENIZER_REPO//\//--}
snapshot=$cache/snapshots/$TOKENIZER_COMMIT_HASH
mkdir -p "$cache/refs" "$snapshot"
printf '%s' "$TOKENIZER_COMMIT_HASH" >"$cache/refs/main"
printf 1 >"$hub/version.txt"
for file in config.json vocab.json merges.txt special_tokens_map.json tokenizer_config.json; do
    address=$TOKENIZER_HOST/$TOKENIZER_REPO/resolve/$TOKENIZER_COMMIT_HASH/$file
    echo "fetching $address"
    python3.11 -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' "$address" "$snapshot/$file"
done
