{{- /* What selects a component's pods; the argument is (list "hub" $). */}}
{{- define "jupytercloud.selector" -}}
app: jupyterhub
component: {{ index . 0 }}
release: {{ (index . 1).Release.Name }}
{{- end }}

{{- define "jupytercloud.labels" -}}
{{ include "jupytercloud.selector" . }}
chart: {{ (index . 1).Chart.Name }}-{{ (index . 1).Chart.Version | replace "+" "_" }}
app.kubernetes.io/name: jupyterhub
app.kubernetes.io/component: {{ index . 0 }}
app.kubernetes.io/instance: {{ (index . 1).Release.Name }}
app.kubernetes.io/managed-by: {{ (index . 1).Release.Service }}
{{- end }}

{{- define "jupytercloud.image" -}}
image: {{ printf "%s:%s" .name .tag | quote }}
imagePullPolicy: {{ .pullPolicy }}
{{- end }}

{{- /* A probe of a path of the port `http`; the argument is (list values path). */}}
{{- define "jupytercloud.probe" -}}
{{ omit (index . 0) "enabled" | toYaml }}
httpGet: {path: {{ index . 1 | quote }}, port: http}
{{- end }}

{{- define "jupytercloud.secretToken" -}}
{{ required "proxy.secretToken is missing: 32 bytes in hexadecimal, such as `openssl rand -hex 32` makes" .Values.proxy.secretToken }}
{{- end }}

{{- define "jupytercloud.cookieSecret" -}}
{{ .Values.hub.cookieSecret | default (printf "cookie %s" (include "jupytercloud.secretToken" .) | sha256sum) }}
{{- end }}

{{- define "jupytercloud.dbUrl" -}}
{{- if eq .Values.hub.db.type "sqlite-memory" -}}
sqlite:///:memory:
{{- else -}}
{{ required "hub.db.url is missing: postgresql+psycopg2://USER@HOST:5432/DATABASE, or `hub.db.type: sqlite-memory` to try the chart out" .Values.hub.db.url }}
{{- end }}
{{- end }}

{{- /* All that jupyterhub_config.py reads. */}}
{{- define "jupytercloud.values" -}}
{{- $hub := omit .Values.hub "cookieSecret" "resources" "readinessProbe" "livenessProbe" "pdb" -}}
{{- $db := dict "type" .Values.hub.db.type "password" .Values.hub.db.password "url" (include "jupytercloud.dbUrl" .) -}}
{{- $secrets := dict "secretToken" (include "jupytercloud.secretToken" .) "cookieSecret" (include "jupytercloud.cookieSecret" .) -}}
{{- dict "release" .Release.Name "hub" (set $hub "db" $db) "singleuser" .Values.singleuser "cull" .Values.cull
    "secrets" $secrets "imagePullSecrets" .Values.imagePullSecrets | toPrettyJson }}
{{- end }}

{{- define "jupytercloud.files" -}}
{{ (.Files.Glob "files/*.py").AsConfig }}
{{- end }}

{{- /* Where hub and proxy go: as zero-to-jupyterhub does it, by the nodes' label. */}}
{{- define "jupytercloud.coreAffinity" -}}
{{- $match := .Values.scheduling.corePods.nodeAffinity.matchNodePurpose -}}
{{- $term := dict "matchExpressions" (list (dict "key" "hub.jupyter.org/node-purpose" "operator" "In" "values" (list "core"))) -}}
{{- if eq $match "prefer" -}}
affinity: {{ dict "nodeAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list (dict "weight" 100 "preference" $term))) | toJson }}
{{- else if eq $match "require" -}}
affinity: {{ dict "nodeAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" (list $term))) | toJson }}
{{- end -}}
{{- end }}
