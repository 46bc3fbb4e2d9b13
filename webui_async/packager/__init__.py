"""From a folder of weights to a model pack: check it, write it as one archive, put it on S3.

What happens on this machine:

    report = check_tree(root)               check.py: every file with its verdict; reads headers only
    report = report.hashed(on_bytes)        report.py: the same with hashes, two files at a time
    report.is_good, report.require_good()   require_good raises PackRefused with what is refused and why
    report.members, report.table()          the files that a pack is made of; everything as plain text
    hash_members(members, on_bytes)         hashes.py: the same members, each with its hashes
    manifest_of(members, form, created_at)  members.py: the Manifest of hashed members
    Manifest.from_bytes(text), .to_bytes()  contract/manifest.py: serve and the functions read it too
    archive_size(members)                   archive.py: bytes of the stored archive, before it is written
    write_archive(members, sink)            archive.py: into anything with write(memoryview)
    write_archive_file(members, path)       archive.py: a file that appears whole or not at all
    open_unchanged(member)                  members.py: the open file; FileChanged when it changes meanwhile
    new_tree(folder)                        layout.py: an empty tree, a README in each folder

What happens in S3, where every refusal is a StoreError that names the action, the resource and the remedy:

    push(root, place, s3, form=…)           push.py: the tree as a version; goes on where one broke off
    add_models(files, store)                on_demand_models.py: files under models/, and in the catalogs
    remove_model(name, store)               on_demand_models.py: the other way
    list_packs(store), list_models(store)   listing.py: what a bucket holds
    PackPlace.parse(uri), make_s3_client()  places.py: s3://BUCKET/packs/NAME; a client for large transfers
    Uploader(store, size, progress)         multipart.py: objects of any size from a fixed amount of memory

A Member has `path` (its place in the pack, with `/`), `source` (where it lies), `size_bytes`, `type`,
`family` and `precision`; once hashed also `sha256` of the whole file and `short_hash` as the webui shows it.
While an archive is written, a member that has its sha256 already is compared with it. The same members give
the same archive, byte for byte, so an upload that broke off can go on.

A sink must be done with the bytes, or have copied them, when its write() returns: buffers are used again.
`on_bytes(n)` is called from any thread with the bytes done since the call before.
"""
