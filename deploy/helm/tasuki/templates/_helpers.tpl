{{/* The ports of shared/settings.py: images listen on them, and they are no value. */}}
{{- define "tasuki.ports" -}}
console: 8000
ingest: 8001
handoff: 8002
metrics: 8003
outreach: 8004
{{- end }}

{{- define "tasuki.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tasuki.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tasuki.labels" -}}
{{ include "tasuki.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The image of a target of deploy/Dockerfile: include "tasuki.image" (list $ "ingest") */}}
{{- define "tasuki.image" -}}
{{- $root := index . 0 -}}
image: {{ printf "%s/%s:%s" $root.Values.image.repository (index . 1) ($root.Values.image.tag | default $root.Chart.AppVersion) | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
{{- end }}

{{- define "tasuki.onKafka" -}}
{{- if .Values.settings.TASUKI_KAFKA_BOOTSTRAP_SERVERS }}true{{ end }}
{{- end }}

{{/* What every process is set to, beside its secrets. */}}
{{- define "tasuki.settings" -}}
{{- $root := . -}}
{{- $own := dict "TASUKI_SHUTDOWN_GRACE_S" .Values.shutdownGraceS "TASUKI_LOG_PARTITIONS" .Values.partitions -}}
{{- range $name, $port := include "tasuki.ports" . | fromYaml -}}
{{- if ne $name "console" -}}
{{- $_ := set $own (printf "TASUKI_%s_URL" (upper $name)) (printf "http://%s-%s:%d" (include "tasuki.fullname" $root) $name (int $port)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := merge (dict) .Values.settings $own }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- define "tasuki.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tasuki.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What all our pods have in common. Links of services would set TASUKI_INGEST_PORT and the like to tcp://... */}}
{{- define "tasuki.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "tasuki.podSecurity" . | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "tasuki.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 1Gi}
{{- if .Values.configFiles }}
- name: config
  configMap: {name: {{ include "tasuki.fullname" . }}-config}
{{- end }}
{{- if .Values.kafkaCertificates }}
- name: kafka-certificates
  secret: {secretName: {{ .Values.kafkaCertificates }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "tasuki.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- range $path, $_ := .Values.configFiles }}
- {name: config, mountPath: {{ printf "/etc/tasuki/%s" $path | quote }}, subPath: {{ replace "/" "__" $path | quote }}, readOnly: true}
{{- end }}
{{- if .Values.kafkaCertificates }}
- {name: kafka-certificates, mountPath: /etc/tasuki-kafka, readOnly: true}
{{- end }}
{{- end }}
