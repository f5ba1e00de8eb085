#!/usr/bin/env python3
"""Prints what roles.sh prints as resources of RabbitMQ's messaging topology operator, without the passwords.

    infra/rabbitmq/roles.sh prod imports reports workflows | infra/rabbitmq/operator_roles.py

Each user has its name and password from a Secret of the same name as the user, with the keys `username` and `password`.
"""

import json
import sys

print("# Made of infra/rabbitmq/roles.sh by tests/infra/run.sh --write.")
roles = json.load(sys.stdin)
tags = {user["name"]: user["tags"] for user in roles["users"]}
for permission in roles["permissions"]:
    print(f"""\
apiVersion: rabbitmq.com/v1beta1
kind: User
metadata:
  name: {permission["user"]}
spec:
  tags: {json.dumps(tags[permission["user"]])}
  rabbitmqClusterReference: {{ name: bellwire-rabbitmq }}
  importCredentialsSecret: {{ name: {permission["user"]} }}
---
apiVersion: rabbitmq.com/v1beta1
kind: Permission
metadata:
  name: {permission["user"]}
spec:
  rabbitmqClusterReference: {{ name: bellwire-rabbitmq }}
  user: {permission["user"]}
  vhost: {json.dumps(permission["vhost"])}
  permissions:
    configure: {json.dumps(permission["configure"])}
    write: {json.dumps(permission["write"])}
    read: {json.dumps(permission["read"])}
---""")
